# What `nix run .#NAME` starts. Words after `--` are the command's own.
{ pkgs, packages }:
let
  inherit (pkgs) lib;
  program = lib.getExe packages.hlsswarm;
  app = description: program: {
    type = "app";
    program = "${program}";
    meta = { inherit description; };
  };
  command =
    name: words: description:
    app description (pkgs.writeShellScript "hlsswarm-${name}" ''exec ${program} ${words} "$@"'');
  runner = name: app "Boot the ${name} guest with QEMU" "${packages.${name}}/bin/microvm-run";
in
rec {
  default = swarm;
  # `run` may be left out: nix run .#swarm -- -clients 50 URL
  swarm = app "Find where a streaming origin or CDN breaks, before the viewers do" program;
  demo = command "demo" "demo" "Test origin, 20 clients, summary, all stopped again";

  test-origin =
    command "test-origin" "origin run"
      "A live test stream on 127.0.0.1:8080, until Ctrl+C";
  test-origin-low-latency =
    command "test-origin-low-latency" "origin run --profile low-latency"
      "720p in segments of one second";
  test-origin-4k-abr =
    command "test-origin-4k-abr" "origin run --profile 4k-abr"
      "A ladder of five from 2160p to 360p";
  test-origin-stress =
    command "test-origin-stress" "origin run --profile stress"
      "Many requests a second for few bytes";

  microvm-origin = runner "microvm-origin";
  microvm-swarm = runner "microvm-swarm";
}
