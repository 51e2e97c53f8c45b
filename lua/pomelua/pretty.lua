-- pretty: the name by which tools and specs require base/pretty.
return require "pomelua.base.pretty"
