"""The NixOS modules, evaluated: with the stub of nixpkgs, or with a real tree."""
