-- test.jit_off: a busted helper that runs specs in LuaJIT's interpreter.
jit.off()
jit.flush()
