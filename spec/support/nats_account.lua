-- An account of a nats-server that trusts an operator, for specs: what its configuration says, and
-- the credentials of a user, as `nsc` writes them. Their keys serve here and nowhere else; nothing
-- of it expires.
local function joined(parts) return table.concat(parts, ".") end

local OPERATOR = joined {
  "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ",
  "eyJpYXQiOjE3MDAwMDAwMDAsImlzcyI6Ik9EVlBZUk1ZNUVMVzNEUEVIUDdRWjUzTFFONkdMNDIzNVFNNFFQQVpZ"
    .. "QjI0TFVFNEpMM09aWDVaIiwibmFtZSI6InNwZWMiLCJzdWIiOiJPRFZQWVJNWTVFTFczRFBFSFA3UVo1M0xRTjZH"
    .. "TDQyMzVRTTRRUEFaWUIyNExVRTRKTDNPWlg1WiIsIm5hdHMiOnsidHlwZSI6Im9wZXJhdG9yIiwidmVyc2lvbiI6"
    .. "Mn0sImp0aSI6IkRDUExLNDJHRFdQVlNBVlZDN1Q1VlFWRkEySEwzTkY1WFBCUlI1UDROUkJXQkxBQllQTFEifQ",
  "0Vtf99KhZep_xsijq2AbBkzb-RnCn8-OtxOmuoOTh7vgaMgy_AnPUD0D2B6XesYTGjy0Kb24TU6g_HtvHv-0Dw",
}
local ACCOUNT = joined {
  "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ",
  "eyJpYXQiOjE3MDAwMDAwMDAsImlzcyI6Ik9EVlBZUk1ZNUVMVzNEUEVIUDdRWjUzTFFONkdMNDIzNVFNNFFQQVpZ"
    .. "QjI0TFVFNEpMM09aWDVaIiwibmFtZSI6ImdhbWUiLCJzdWIiOiJBQzdQM0xFVlBXREhNNEZEMzZQQ0JXTVc3RjVE"
    .. "UFpONjNMMk9KUFVLMlRDUVNRM0JNU0JQSUkzTyIsIm5hdHMiOnsibGltaXRzIjp7InN1YnMiOi0xLCJkYXRhIjot"
    .. "MSwicGF5bG9hZCI6LTEsImltcG9ydHMiOi0xLCJleHBvcnRzIjotMSwid2lsZGNhcmRzIjp0cnVlLCJjb25uIjot"
    .. "MSwibGVhZiI6LTF9LCJ0eXBlIjoiYWNjb3VudCIsInZlcnNpb24iOjJ9LCJqdGkiOiJVTkgyRlhOTFpQWVpFNFVI"
    .. "MzVOWkNHSUxQUzJGTk9UQ1g1WEFJTlFOVUVQN1hLTFJJS1hRIn0",
  "Rgg5qqA2_XFKB7_p4kwWqH12CrGh1F_Uk1yEs0QzxQSU--IKLWWxIU_BbRlGl0ImsVQOIusLOYq2DnOg7uh_AQ",
}
local USER = joined {
  "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ",
  "eyJpYXQiOjE3MDAwMDAwMDAsImlzcyI6IkFDN1AzTEVWUFdESE00RkQzNlBDQldNVzdGNURQWk42M0wyT0pQVUsy"
    .. "VENRU1EzQk1TQlBJSTNPIiwibmFtZSI6InNlcnZlciIsInN1YiI6IlVDTElOWlJVUDRVQkJQMjRHQVRWUVpMVjZH"
    .. "TE5TNEVUU09BVUg2VldIU0s3Q0FYNUZORTZMM0lYIiwibmF0cyI6eyJzdWJzIjotMSwiZGF0YSI6LTEsInBheWxv"
    .. "YWQiOi0xLCJ0eXBlIjoidXNlciIsInZlcnNpb24iOjJ9LCJqdGkiOiJFTERFSFQ1NFlQWDdPU0tOTDdLQVFIT01P"
    .. "NEgzWEVHQzRWNldGTlVaQ0VJTkhETjJCWllRIn0",
  "OTlIW051SOXnSehTDSKJTfwk3JQQRxRXIkBp-FH1BmIJV89kF0pXMYr1cDr1i6HM304VBS6i_RNcEtnQ1OOoBA",
}

local account = {}

-- Lines of the server's configuration.
account.config = ([[
operator: "%s"
resolver: MEMORY
resolver_preload: { %s: "%s" }
]]):format(OPERATOR,
  "AC7P3LEVPWDHM4FD36PCBWMW7F5DPZN63L2OJPUK2TCQSQ3BMSBPII3O", ACCOUNT)

---The text of a credentials file. seed: of the user's key, the right one when left out.
---@param seed string?
---@return string
function account.creds(seed)
  return ([[
-----BEGIN NATS USER JWT-----
%s
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
%s
------END USER NKEY SEED------
]]):format(USER, seed or "SUAN3BOM25YLJL37MHUOMBELKMCLR6AH67L65URPVQO2XBKGE5AIXHFYQY")
end

-- The seed of another user.
account.wrong = "SUAKDWIY5EYEYZSP45N4K2URSCOPMORUXVSS35LF2FQBKQGLMRONGMJUVU"

return account
