"""Promotion of a challenger to champion: policy, evidence, paired comparison, decision."""
