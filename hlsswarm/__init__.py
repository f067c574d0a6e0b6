"""hlsswarm: swarms of real ffmpeg HLS clients as transient systemd units."""

__version__ = "0.1.0"
