"""What Qt can show here, as one line of JSON. A separate program, because Qt ends the process where it cannot start."""

import json
import sys


def main() -> int:
    """Print {"platform", "qt", "screens": [{"name", "width", "height", "scale"}], "families"}."""
    from PySide6.QtCore import qVersion
    from PySide6.QtGui import QFontDatabase, QGuiApplication

    application = QGuiApplication(sys.argv[:1])
    screens = [
        {
            "name": screen.name(),
            "width": screen.size().width(),
            "height": screen.size().height(),
            "scale": screen.devicePixelRatio(),
        }
        for screen in application.screens()
    ]
    found = {
        "platform": application.platformName(),
        "qt": qVersion(),
        "screens": screens,
        "families": len(QFontDatabase.families()),
    }
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
