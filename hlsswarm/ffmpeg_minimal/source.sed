# How ffmpeg's source is edited before it is built (sed(1)).
#
# fftools/ffmpeg.c: log lines are written whole. ffmpeg sets stderr to no buffer at all ("win32
# runtime needs this"): three writes for each line, and up to three reads for who listens to
# thousands of clients.
s/setvbuf(stderr, *NULL, *_IONBF, *0)/setvbuf(stderr, NULL, _IOLBF, 0)/
#
# libavutil/log.c: beside its level a line tells when it was said, CLOCK_MONOTONIC in microseconds:
# `[verbose 81234567] …`. Who listens need not be quick to measure right, and can read in one go.
s/^#include "log\.h"$/&\n#include "time.h"/
s/"\[%s\] ", *get_level_str(level))/"[%s %"PRId64"] ", get_level_str(level), av_gettime_relative())/
