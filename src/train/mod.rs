//! Training: `compile`, `fit`, `evaluate`, on the learner of burn-train.
