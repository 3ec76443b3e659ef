"""What the bits of H.264 and H.265 say of themselves: units that are damaged, and pictures whose references are missing.

FFmpeg conceals both. It copies from other pictures, goes on predicting from the result, and tells OpenCV nothing of it.
"""
