"""What runs in the child: yt-dlp, its limits and the guard on addresses. No Django here."""
