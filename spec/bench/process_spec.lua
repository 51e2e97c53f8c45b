local process = dofile("bench/process.lua")

describe("processes of the benchmark", function()
  local log = os.tmpname()
  teardown(function() os.remove(log) end)

  it("a file that is not there is empty", function()
    assert.equal("", process.read(log .. ".none"))
    process.write(log, "a\0b")
    assert.equal("a\0b", process.read(log))
  end)

  it("a command's output comes without blanks at its end", function()
    assert.equal("a\nb", process.shell "printf 'a\\nb \\n\\n'")
  end)

  it("go on until they are finished, with their children", function()
    local pid = process.spawn("exec sh -c 'sleep 60 & echo started; wait'", log)
    process.wait_for("the start", 5, function()
      return process.read(log):find "started" ~= nil
    end)
    local children = process.adopt_children(pid)
    assert.equal(1, #children)
    assert.is_true(process.is_alive(pid))
    assert.is_true(process.is_alive(children[1]))
    process.finish_all()
    process.wait_for("their end", 5, function()
      return not process.is_alive(pid) and not process.is_alive(children[1])
    end)
  end)

  it("nobody else's process is finished", function()
    local pid = tonumber(process.shell("sleep 60 >" .. log .. " 2>&1 & echo $!"))
    process.finish(pid)
    assert.is_true(process.is_alive(pid))
    os.execute("kill " .. pid)
  end)

  it("what does not happen in time is an error that says what", function()
    assert.has_error(function() process.wait_for("the start", 0.1, function() end) end,
      "the start did not happen within 0.1 s")
  end)
end)
