//! The windows of a short-time Fourier transform, by the names of SciPy.

use std::f64::consts::PI;

crate::keywords! {
    /// A window: how much each place of a frame counts.
    pub enum Window {
        /// All the same.
        Boxcar = "boxcar",
        /// A raised cosine that reaches zero.
        Hann = "hann",
        /// A raised cosine that does not.
        Hamming = "hamming",
        /// Three cosines.
        Blackman = "blackman",
        /// Four cosines, by Nuttall.
        Nuttall = "nuttall",
        /// Four cosines, by Blackman and Harris.
        Blackmanharris = "blackmanharris",
        /// Five cosines, flat in the middle of the spectrum.
        Flattop = "flattop",
        /// Half a wave.
        Cosine = "cosine",
        /// A triangle that reaches zero.
        Bartlett = "bartlett",
    }
}

impl Window {
    /// Its values at `length` places; `periodic` when the place after the last is the first again.
    pub(crate) fn numbers(self, length: usize, periodic: bool) -> Vec<f64> {
        if length == 1 {
            return vec![1.0];
        }
        let places = length + usize::from(periodic);
        let last = (places - 1) as f64;
        let at = |place: usize| {
            let x = place as f64;
            match self {
                Self::Cosine => (PI * (x + 0.5) / places as f64).sin(),
                Self::Bartlett => 1.0 - (2.0 * x / last - 1.0).abs(),
                _ => {
                    let terms = self.cosines().iter().enumerate();
                    terms.map(|(n, a)| a * (n as f64 * (2.0 * PI * x / last - PI)).cos()).sum()
                }
            }
        };
        (0..length).map(at).collect()
    }

    /// The weights of the cosines of growing frequency that make it up.
    fn cosines(self) -> &'static [f64] {
        match self {
            Self::Hann => &[0.5, 0.5],
            Self::Hamming => &[0.54, 0.46],
            Self::Blackman => &[0.42, 0.5, 0.08],
            Self::Nuttall => &[0.3635819, 0.4891775, 0.1365995, 0.0106411],
            Self::Blackmanharris => &[0.35875, 0.48829, 0.14128, 0.01168],
            Self::Flattop => &[0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368],
            Self::Boxcar | Self::Cosine | Self::Bartlett => &[1.0],
        }
    }
}
