# The swarm's image, with the test origin as its command: `podman run -p 8080:8080 …`.
#
# It has all that the other has; what differs is what it does without further words.
{ dockerTools, swarm-container }:
let
  image = swarm-container.image // {
    name = "hlsswarm-test-origin";
    config = swarm-container.image.config // {
      Cmd = [
        "origin"
        "run"
      ];
    };
  };
in
dockerTools.streamLayeredImage image // { inherit image; }
