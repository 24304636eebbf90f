"""Results as files: arrays, tables, figures, and the recipe that makes them again."""
