local near = require "pomelua.base.near"

describe("the nearest known name", function()
  local known = { connectorConfig = 1, sessionConfig = 1, channelConfig = 1, proxyConfig = 1 }

  for wrong, right in pairs {
    conectorConfig = "connectorConfig", connectorconfig = "connectorConfig",
    connector_config = "connectorConfig", connectorConfgi = "connectorConfig",
    sesionConfig = "sessionConfig", chanelConfig = "channelConfig",
  } do
    it("of " .. wrong .. " is " .. right, function()
      assert.equal(right, near.to(wrong, known))
      assert.equal("; did you mean " .. right .. "?", near.hint(wrong, known))
    end)
  end

  it("may be one of a list", function()
    assert.equal("frontend", near.to("frontent", { "id", "frontend" }))
  end)

  it("is a text, whatever else is in a list", function()
    assert.equal("stop", near.to("st0p", { 1, {}, true, "stop", {} }))
  end)

  it("is not itself", function() assert.is_nil(near.to("id", { "id" })) end)

  it("is none when nothing is near", function()
    for _, name in ipairs { "mySettings", "x", "", ("c"):rep(1000) } do
      assert.is_nil(near.to(name, known))
      assert.equal("", near.hint(name, known))
    end
    assert.is_nil(near.to(5, known))
    assert.is_nil(near.to("port", { "host" }))
    assert.is_nil(near.to("level", { "id", "host", "port" }))
  end)
end)
