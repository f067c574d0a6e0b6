# A NixOS machine without NixOS: options that exist there, and take anything here.
{
  modules,
  system ? "x86_64-linux",
  specialArgs ? { },
  lib ? import ../../lib,
  ...
}:
let
  evaluated = lib.evalModules {
    modules = [ ../modules/base.nix ] ++ modules;
    specialArgs = {
      inherit lib;
      modulesPath = ../modules;
      pkgs = import ../.. {
        inherit system;
        overlays = evaluated.config.nixpkgs.overlays;
      };
    }
    // specialArgs;
  };
in
evaluated
// {
  inherit lib;
  inherit (evaluated.config._module or { }) args;
  pkgs = import ../.. { inherit system; };
}
