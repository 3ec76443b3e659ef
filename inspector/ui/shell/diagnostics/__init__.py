"""What watches the window itself: log, watchdog, probe and measurements of its responsiveness."""
