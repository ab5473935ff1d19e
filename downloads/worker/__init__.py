"""The worker's side: claims downloads, carries out attempts, gives orphans their right end."""
