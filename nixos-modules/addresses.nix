# What "HOST:PORT" says: for firewalls, scrapers and assertions.
{ lib }:
rec {
  # "off" is no address.
  isOff = address: address == "off";
  portOf = address: builtins.fromJSON (lib.last (lib.splitString ":" address));
  hostOf = address: lib.removeSuffix ":${lib.last (lib.splitString ":" address)}" address;
  isLoopback =
    host:
    lib.hasPrefix "127." host
    || builtins.elem host [
      "localhost"
      "::1"
      "[::1]"
    ];
  # Where somebody on this machine finds what listens there.
  hereOf =
    host:
    if
      builtins.elem host [
        ""
        "0.0.0.0"
        "::"
        "[::]"
      ]
    then
      "127.0.0.1"
    else
      host;
}
