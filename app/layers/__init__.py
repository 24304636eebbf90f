"""Results of the core as layers, markers and arrows of the linked images; one file a page."""
