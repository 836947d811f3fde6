//! The optimizers and learning rate schedules of `keras.optimizers`, for any Burn module.
