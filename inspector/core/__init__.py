"""The domain's vocabulary: plain data, settings and files. Depends only on numpy, OpenCV and pydantic."""
