# An ffmpeg that plays HLS and decodes nothing: nixpkgs' source, the options that
# `hlsswarm ffmpeg build` gives to Debian's (hlsswarm/ffmpeg_minimal/configure.options).
#
# Without GPL parts; mbedTLS is under the Apache License 2.0, which goes with version 3 of the LGPL:
# the options say --enable-version3. The program is one file, linked with libc and mbedTLS alone.
{
  lib,
  stdenv,
  ffmpeg-headless,
  mbedtls,
  pkg-config,
}:
let
  isOption = line: line != "" && !lib.hasPrefix "#" line;
  options = lib.filter isOption (
    map lib.trim (lib.splitString "\n" (builtins.readFile ../hlsswarm/ffmpeg_minimal/configure.options))
  );
in
stdenv.mkDerivation {
  pname = "ffmpeg-minimal";
  inherit (ffmpeg-headless) version src;

  # ffmpeg's `configure` is none of autoconf's: it knows no --build, no --host, no --libdir of ours.
  configurePlatforms = [ ];
  setOutputFlags = false;
  dontDisableStatic = true;
  configureFlags = [
    "--arch=${stdenv.hostPlatform.parsed.cpu.name}"
    "--target-os=linux"
    "--enable-pthreads"
    # mbedtls.pc names libmbedx509 and libmbedcrypto as private, and nothing is linked with what only
    # another library needs: without this `configure` is content, and the linker is not.
    "--pkg-config-flags=--static"
  ]
  ++ lib.optionals (stdenv.hostPlatform != stdenv.buildPlatform) [
    "--enable-cross-compile"
    "--cross-prefix=${stdenv.cc.targetPrefix}"
    "--pkg-config=${stdenv.cc.targetPrefix}pkg-config"
  ]
  ++ options;
  postPatch = ''
    patchShebangs .
    sed -i -f ${../hlsswarm/ffmpeg_minimal/source.sed} fftools/ffmpeg.c libavutil/log.c
  '';

  strictDeps = true;
  nativeBuildInputs = [ pkg-config ];
  buildInputs = [ mbedtls ];

  enableParallelBuilding = true;
  buildFlags = [ "ffmpeg" ];
  # Libraries and headers are nobody's business.
  installPhase = ''
    runHook preInstall
    install -D -m 755 ffmpeg $out/bin/ffmpeg
    runHook postInstall
  '';
  doInstallCheck = stdenv.buildPlatform.canExecute stdenv.hostPlatform;
  installCheckPhase = ''
    $out/bin/ffmpeg -hide_banner -demuxers | grep -w hls
    $out/bin/ffmpeg -hide_banner -protocols | grep -w https
  '';

  passthru = { inherit options; };
  meta = {
    description = "ffmpeg with what HLS clients need, and nothing else";
    homepage = "https://www.ffmpeg.org/";
    license = lib.licenses.lgpl3Plus;
    mainProgram = "ffmpeg";
    platforms = lib.platforms.linux;
  };
}
