-- A plugin: counts who comes.
return {
  components = {
    visitors = function(_, opts) return { count = 0, limit = opts.limit } end,
  },
  events = function(app)
    return {
      bind_session = function()
        local visitors = app.components.visitors
        visitors.count = visitors.count + 1
      end,
    }
  end,
}
