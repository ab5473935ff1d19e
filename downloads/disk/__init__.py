"""What is done with files: isolated directories, partial files, the library. No Django."""
