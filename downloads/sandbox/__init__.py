"""What confines a child: the guard of its connections, Landlock, seccomp, limits.

No Django, and yt-dlp is not imported here.
"""
