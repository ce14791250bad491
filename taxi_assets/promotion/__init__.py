"""Whether a challenger becomes the champion: policy, paired comparison, decision. Computes no prediction."""
