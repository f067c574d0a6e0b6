"""The Nix side, evaluated by a Nix of our own: nothing is installed, nothing is built."""
