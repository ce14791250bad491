"""Where months come from, and how a file gets whole into the landing folder."""
