"""The worker: claims downloads, carries out attempts, recovers orphans."""
