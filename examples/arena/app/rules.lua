--- The numbers of the game. Save this file while people play: the next step uses the new ones.
return {
  width = 1600, height = 1000, -- of the arena, in units
  step = 50,                   -- ms from one update to the next
  round = 120,                 -- s; config/crons.json ends the rounds
  away = 20,                   -- s that a ship waits for its player to connect again
  welcome = { "ruby", "topaz", "emerald", "sapphire" }, -- the gems of a new player
  trade = 60,                  -- s that an offer stands
  ships = 4,                   -- with fewer players, robots fly the other ships

  ship = { radius = 22, speed = 250 },                -- units a second
  dash = { speed = 700, time = 250, rest = 1400 },    -- ms that it lasts, ms until the next
  bump = { share = 0.3, least = 1, dizzy = 800 },     -- of the stars; ms without a rudder
  robot = { speed = 0.5, courage = 0.05 },            -- of a player's; a chance in a step
  star = { radius = 12, number = 36, worth = 1, golden = 5 },
}
