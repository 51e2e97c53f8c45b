-- Line plots as SVG.
local plot = {}

local W, H, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 64, 150, 40, 48
local COLOURS = { "#2563eb", "#9ca3af", "#dc2626", "#059669" }

local function escape(text)
  return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

-- A step of 1, 2 or 5 times a power of ten that gives about five of them.
local function nice_step(span)
  local base = 10 ^ math.floor(math.log10(span / 5))
  for _, k in ipairs { 1, 2, 5, 10 } do
    if span / (base * k) <= 6 then return base * k end
  end
end

local function ticks(low, high, is_log)
  local list = {}
  if is_log then
    for e = math.floor(math.log10(low)), math.ceil(math.log10(high)) do
      for _, k in ipairs(high / low > 1000 and { 1 } or { 1, 2, 5 }) do
        local v = k * 10 ^ e
        if v >= low * 0.999 and v <= high * 1.001 then list[#list + 1] = v end
      end
    end
    return list
  end
  local step = nice_step(high - low)
  for i = math.ceil(low / step), math.floor(high / step + 1e-9) do list[#list + 1] = i * step end
  return list
end

local function bounds(series)
  local x1, x2, y2 = math.huge, -math.huge, 0
  for _, s in ipairs(series) do
    for _, p in ipairs(s[2]) do
      x1, x2, y2 = math.min(x1, p[1]), math.max(x2, p[1]), math.max(y2, p[2])
    end
  end
  if x1 == math.huge then return 1, 2, 1 end
  if x1 == x2 then x2 = x1 * 2 + 1 end
  return x1, x2, y2 > 0 and y2 or 1
end

---@param o table title, x, y (labels), log_x, series = { { name, { {x, y}, ... } }, ... }
---@return string svg
function plot.svg(o)
  local x1, x2, y2 = bounds(o.series)
  if not o.log_x then x1 = 0 end
  y2 = y2 * 1.05
  local along = o.log_x and math.log10 or function(v) return v end
  local function px(x)
    return LEFT + (W - LEFT - RIGHT) * (along(x) - along(x1)) / (along(x2) - along(x1))
  end
  local function py(y) return H - BOTTOM - (H - TOP - BOTTOM) * y / y2 end
  local out = {}
  local function put(format, ...) out[#out + 1] = format:format(...) end
  local function text(x, y, anchor, words)
    put('<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>', x, y, anchor, escape(words))
  end
  put('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif"'
    .. ' font-size="12" fill="#374151">', W, H)
  put('<rect width="%d" height="%d" fill="white"/>', W, H)
  put('<text x="%d" y="22" font-size="15" font-weight="bold">%s</text>', LEFT, escape(o.title))
  for _, v in ipairs(ticks(x1, x2, o.log_x)) do
    put('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#e5e7eb"/>', px(v), TOP, px(v),
      H - BOTTOM)
    text(px(v), H - BOTTOM + 16, "middle", ("%.6g"):format(v))
  end
  for _, v in ipairs(ticks(0, y2)) do
    put('<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#e5e7eb"/>', LEFT, py(v), W - RIGHT,
      py(v))
    text(LEFT - 6, py(v) + 4, "end", ("%.6g"):format(v))
  end
  text((LEFT + W - RIGHT) / 2, H - 10, "middle", o.x)
  put('<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">%s</text>',
    (TOP + H - BOTTOM) / 2, escape(o.y))
  for i, s in ipairs(o.series) do
    local colour, points = COLOURS[(i - 1) % #COLOURS + 1], {}
    for k, p in ipairs(s[2]) do points[k] = ("%.1f,%.1f"):format(px(p[1]), py(p[2])) end
    put('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>',
      table.concat(points, " "), colour)
    if #points <= 12 then
      for _, p in ipairs(s[2]) do
        put('<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>', px(p[1]), py(p[2]), colour)
      end
    end
    put('<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="2"/>', W - RIGHT + 10,
      TOP + 20 * i, W - RIGHT + 28, TOP + 20 * i, colour)
    text(W - RIGHT + 33, TOP + 20 * i + 4, "start", s[1])
  end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

function plot.write(path, o)
  local f = assert(io.open(path, "wb"))
  f:write(plot.svg(o))
  f:close()
end

return plot
