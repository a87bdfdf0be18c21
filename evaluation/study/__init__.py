"""What a study's answers say: data quality, models, power, capacity, and the report."""
