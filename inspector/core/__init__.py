"""Words of the domain: plain data, settings, files. numpy, OpenCV and pydantic only."""
