//! Functions of floats that Burn does not have, by series that are as good as `float32` is.

use burn::tensor::Tensor;

/// The value of a polynomial, the coefficient of the highest power first.
fn polynomial<const D: usize>(x: &Tensor<D>, coefficients: &[f64]) -> Tensor<D> {
    coefficients.iter().fold(x.zeros_like(), |sum, coefficient| sum * x.clone() + *coefficient)
}

/// `e^x - 1`, exact near zero too.
pub(super) fn expm1<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    (x.clone() * 0.5).tanh() * (x.exp() + 1.0)
}

/// `sin(pi x) / (pi x)`, and 1 at zero.
pub(super) fn sinc<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let zero = x.clone().equal_elem(0.0);
    // Near enough to zero to give 1, and far enough to divide by.
    let x = x.mask_fill(zero, 1e-20) * std::f64::consts::PI;
    x.clone().sin() / x
}

/// `1 - erf(x)` without cancellation, by Chebyshev fitting of `erfc(x) e^(x^2)` in `1 / (1 + x / 2)`
/// (Press et al., Numerical Recipes, section 6.2); relative error 1.2e-7.
pub(super) fn erfc<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    const COEFFICIENTS: [f64; 10] = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let positive = x.clone().abs();
    let t = (positive.clone() * 0.5 + 1.0).recip();
    let tail = t.clone() * (polynomial(&t, &COEFFICIENTS) - positive.square()).exp();
    let negative = x.lower_elem(0.0);
    tail.clone().mask_where(negative, -tail + 2.0)
}

/// The inverse of `erf` (Giles, Approximating the erfinv function, single precision).
pub(super) fn erfinv<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    const CENTRE: [f64; 9] = [
        2.810_226_36e-8,
        3.432_739_39e-7,
        -3.523_387_7e-6,
        -4.391_506_54e-6,
        0.000_218_580_87,
        -0.001_253_725_03,
        -0.004_177_681_64,
        0.246_640_727,
        1.501_409_41,
    ];
    const TAIL: [f64; 9] = [
        -0.000_200_214_257,
        0.000_100_950_558,
        0.001_349_343_22,
        -0.003_673_428_44,
        0.005_739_507_73,
        -0.007_622_461_3,
        0.009_438_870_47,
        1.001_674_06,
        2.832_976_82,
    ];
    // Infinite at the ends, where the polynomials would give what is not.
    let (high, low) = (x.clone().equal_elem(1.0), x.clone().equal_elem(-1.0));
    let inside = x.mask_fill(high.clone(), 0.0).mask_fill(low.clone(), 0.0);
    let w = -(-inside.clone().square()).log1p();
    let in_tail = w.clone().greater_equal_elem(5.0);
    // Each polynomial only sees what it is made for, so that gradients stay finite.
    let centre = polynomial(&(w.clone().clamp_max(5.0) - 2.5), &CENTRE);
    let tail = polynomial(&(w.clamp_min(5.0).sqrt() - 3.0), &TAIL);
    let found = centre.mask_where(in_tail, tail) * inside;
    found.mask_fill(high, f32::INFINITY).mask_fill(low, f32::NEG_INFINITY)
}

/// The modified Bessel function of order zero (Abramowitz and Stegun, 9.8.1 and 9.8.2).
pub(super) fn i0<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    const SMALL: [f64; 7] =
        [0.004_581_3, 0.036_076_8, 0.265_973_2, 1.206_749_2, 3.089_942_4, 3.515_622_9, 1.0];
    const LARGE: [f64; 9] = [
        0.003_923_77,
        -0.016_476_33,
        0.026_355_37,
        -0.020_577_06,
        0.009_162_81,
        -0.001_575_65,
        0.002_253_19,
        0.013_285_92,
        0.398_942_28,
    ];
    let x = x.abs();
    let is_large = x.clone().greater_elem(3.75);
    let small = polynomial(&(x.clone().clamp_max(3.75) / 3.75).square(), &SMALL);
    let x = x.clamp_min(3.75);
    let large = polynomial(&(x.clone().recip() * 3.75), &LARGE) * x.clone().exp() / x.sqrt();
    small.mask_where(is_large, large)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn small_and_large_results_are_as_exact_as_others() {
        let of = |function: fn(Tensor<1>) -> Tensor<1>, x: f32| {
            f64::from(function(Tensor::from_floats([x], &Device::flex())).into_scalar::<f32>())
        };
        for (got, expected) in [
            (of(erfc, 4.0), 1.541_725_790_028e-8),
            (of(erfc, -1.0), 1.842_700_792_949_715),
            (of(erfinv, 0.999), 2.326_756_326_8),
            (of(erfinv, -0.3), -0.272_462_726_1),
            (of(i0, 10.0), 2_815.716_628_466_254),
            (of(i0, -1.0), 1.266_065_877_752_008),
            (of(expm1, 1e-4), 1.000_049_976_402_1e-4),
            (of(sinc, 0.5), std::f64::consts::FRAC_2_PI),
        ] {
            assert!((got - expected).abs() < 3e-6 * expected.abs(), "{got} for {expected}");
        }
    }
}
