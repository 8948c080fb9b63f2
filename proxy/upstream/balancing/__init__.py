"""Which of several origins serves a request: one class per policy, all behind `base.Balancing`."""
