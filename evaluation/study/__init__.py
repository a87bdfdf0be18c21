"""Analysis of a study: data quality, models, power, capacity, and the report."""
