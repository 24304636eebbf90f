"""Figures for papers: matplotlib, light, with a caption line, no browser. The only user of matplotlib."""
