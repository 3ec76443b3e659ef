"""The thermal tab as an instrument: tools on the picture, conditions, isotherms, hot spots, temperatures over time."""
