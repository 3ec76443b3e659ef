"""What stands beside the picture of the inspect page: verdict, readouts, takt and the strip of NG parts."""
