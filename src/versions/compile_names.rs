//! The names of optimizers, losses and metrics, and what became of them.

/// The settings of `compile` that Keras 3 reads back, apart from the optimizer.
pub(super) const SETTINGS: &[&str] = &[
    "loss",
    "loss_weights",
    "metrics",
    "weighted_metrics",
    "run_eagerly",
    "steps_per_execution",
    "jit_compile",
];

/// The keys that every optimizer of Keras 3 has.
pub(super) const COMMON: &[&str] = &[
    "name",
    "learning_rate",
    "weight_decay",
    "clipnorm",
    "global_clipnorm",
    "clipvalue",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
];

/// Keys of optimizers whose numbers are integers; all others are floats, which Keras insists on for some.
pub(super) const INTEGERS: &[&str] = &[
    "ema_overwrite_frequency",
    "gradient_accumulation_steps",
    "ns_steps",
    "warmup_steps",
    "dynamic_growth_steps",
];

/// The optimizers of Keras 3, and the keys that only some have.
pub(super) const OPTIMIZERS: &[(&str, &[&str])] = &[
    ("SGD", &["momentum", "nesterov"]),
    ("RMSprop", &["rho", "momentum", "epsilon", "centered"]),
    ("Adam", &["beta_1", "beta_2", "epsilon", "amsgrad"]),
    ("AdamW", &["beta_1", "beta_2", "epsilon", "amsgrad"]),
    ("Adadelta", &["rho", "epsilon"]),
    ("Adagrad", &["initial_accumulator_value", "epsilon"]),
    ("Adamax", &["beta_1", "beta_2", "epsilon"]),
    ("Nadam", &["beta_1", "beta_2", "epsilon"]),
    (
        "Ftrl",
        &[
            "learning_rate_power",
            "initial_accumulator_value",
            "l1_regularization_strength",
            "l2_regularization_strength",
            "l2_shrinkage_regularization_strength",
            "beta",
        ],
    ),
    ("Lion", &["beta_1", "beta_2"]),
    ("Adafactor", &["beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step"]),
    ("Lamb", &["beta_1", "beta_2", "epsilon"]),
    (
        "Muon",
        &[
            "adam_beta_1",
            "adam_beta_2",
            "epsilon",
            "exclude_layers",
            "exclude_embeddings",
            "muon_a",
            "muon_b",
            "muon_c",
            "adam_lr_ratio",
            "momentum",
            "ns_steps",
            "nesterov",
            "adam_weight_decay",
            "rms_rate",
        ],
    ),
    ("ScheduleFreeAdamW", &["beta_1", "beta_2", "epsilon", "warmup_steps"]),
    ("LossScaleOptimizer", &["inner_optimizer", "initial_scale", "dynamic_growth_steps"]),
    ("MultiOptimizer", &["optimizer_map"]),
];

pub(super) const SCHEDULES: &[&str] = &[
    "ExponentialDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "InverseTimeDecay",
    "CosineDecay",
    "CosineDecayRestarts",
];

/// Functions, and the loss and the metric that are this function.
pub(super) const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("mean_squared_error", "MeanSquaredError", "MeanSquaredError"),
    ("mean_absolute_error", "MeanAbsoluteError", "MeanAbsoluteError"),
    ("mean_absolute_percentage_error", "MeanAbsolutePercentageError", "MeanAbsolutePercentageError"),
    ("mean_squared_logarithmic_error", "MeanSquaredLogarithmicError", "MeanSquaredLogarithmicError"),
    ("cosine_similarity", "CosineSimilarity", "CosineSimilarity"),
    ("hinge", "Hinge", "Hinge"),
    ("squared_hinge", "SquaredHinge", "SquaredHinge"),
    ("categorical_hinge", "CategoricalHinge", "CategoricalHinge"),
    ("poisson", "Poisson", "Poisson"),
    ("kl_divergence", "KLDivergence", "KLDivergence"),
    ("binary_crossentropy", "BinaryCrossentropy", "BinaryCrossentropy"),
    ("categorical_crossentropy", "CategoricalCrossentropy", "CategoricalCrossentropy"),
    ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", "SparseCategoricalCrossentropy"),
    ("huber", "Huber", ""),
    ("log_cosh", "LogCosh", ""),
    ("binary_focal_crossentropy", "BinaryFocalCrossentropy", ""),
    ("categorical_focal_crossentropy", "CategoricalFocalCrossentropy", ""),
    ("dice", "Dice", ""),
    ("tversky", "Tversky", ""),
    ("circle", "Circle", ""),
    ("categorical_generalized_cross_entropy", "CategoricalGeneralizedCrossEntropy", ""),
    ("ctc", "CTC", ""),
    ("log_cosh_error", "", "LogCoshError"),
    ("accuracy", "", "Accuracy"),
    ("binary_accuracy", "", "BinaryAccuracy"),
    ("categorical_accuracy", "", "CategoricalAccuracy"),
    ("sparse_categorical_accuracy", "", "SparseCategoricalAccuracy"),
    ("top_k_categorical_accuracy", "", "TopKCategoricalAccuracy"),
    ("sparse_top_k_categorical_accuracy", "", "SparseTopKCategoricalAccuracy"),
];

/// Losses that are no function.
pub(super) const LOSSES: &[&str] = &[];

/// Metrics that are no function.
pub(super) const METRICS: &[&str] = &[
    "AUC",
    "BinaryIoU",
    "ConcordanceCorrelation",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "IoU",
    "Mean",
    "MeanIoU",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
    "Sum",
    "TrueNegatives",
    "TruePositives",
];

/// Short names, small or capital. The last one is known of losses only.
pub(super) const ABBREVIATIONS: &[(&str, &str)] = &[
    ("mse", "mean_squared_error"),
    ("mae", "mean_absolute_error"),
    ("mape", "mean_absolute_percentage_error"),
    ("msle", "mean_squared_logarithmic_error"),
    ("bce", "binary_crossentropy"),
    ("kld", "kl_divergence"),
];

/// What only older versions call so: the loss, and the metric.
pub(super) const FORMER_FUNCTIONS: &[(&str, &str, &str)] = &[
    ("kullback_leibler_divergence", "kl_divergence", "kl_divergence"),
    ("logcosh", "log_cosh", "log_cosh_error"),
    ("huber_loss", "huber", "huber"),
    ("cosine_proximity", "cosine_similarity", "cosine_similarity"),
    ("cosine", "cosine_similarity", "cosine_similarity"),
];

/// What Keras 2 has by no name.
pub(super) const KERAS2_LACKS: &[&str] = &[
    "Lamb",
    "Muon",
    "ScheduleFreeAdamW",
    "MultiOptimizer",
    "muon",
    "schedulefreeadamw",
    "Dice",
    "Tversky",
    "Circle",
    "CTC",
    "CategoricalGeneralizedCrossEntropy",
    "categorical_generalized_cross_entropy",
    "dice",
    "tversky",
    "circle",
    "ctc",
    "ConcordanceCorrelation",
    "PearsonCorrelation",
    "concordance_correlation",
    "pearson_correlation",
    "mean_with_sample_weight",
];
