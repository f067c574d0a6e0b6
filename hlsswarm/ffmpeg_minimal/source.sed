# How fftools/ffmpeg.c is edited before it is built (sed(1)): log lines are written whole.
# ffmpeg sets stderr to no buffer at all ("win32 runtime needs this"): three writes for each line,
# and up to three reads for who listens to thousands of clients.
s/setvbuf(stderr, *NULL, *_IONBF, *0)/setvbuf(stderr, NULL, _IOLBF, 0)/
