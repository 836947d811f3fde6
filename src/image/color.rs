//! Colors.

use burn::tensor::Tensor;

/// How bright red, green and blue are.
const LUMINANCE: [f64; 3] = [0.2989, 0.5870, 0.1140];

fn planes(x: &Tensor<4>) -> [Tensor<4>; 3] {
    std::array::from_fn(|channel| x.clone().narrow(1, channel, 1))
}

/// Images without color. Those of one channel have none.
///
/// # Shapes
/// - rgb: `[batch, 3, height, width]`
/// - output: `[batch, 1, height, width]`
pub(crate) fn grayscale(rgb: Tensor<4>) -> Tensor<4> {
    if rgb.dims()[1] == 1 {
        return rgb;
    }
    let [red, green, blue] = planes(&rgb);
    red * LUMINANCE[0] + green * LUMINANCE[1] + blue * LUMINANCE[2]
}

/// Hue, saturation and value of colors, all from 0 to 1.
///
/// # Shapes
/// - rgb: `[batch, 3, height, width]`
/// - output: `[batch, 3, height, width]`
pub(crate) fn rgb_to_hsv(rgb: Tensor<4>) -> Tensor<4> {
    let nothing = rgb.clone().abs().lower_elem(f64::from(f32::EPSILON));
    let [red, green, blue] = planes(&rgb.mask_fill(nothing, 0.0));
    let value = red.clone().max_pair(green.clone()).max_pair(blue.clone());
    let range = value.clone() - red.clone().min_pair(green.clone()).min_pair(blue.clone());
    let (black, gray) = (value.clone().lower_equal_elem(0.0), range.clone().lower_equal_elem(0.0));
    let saturation = range.clone() / value.clone().mask_fill(black.clone(), 1.0);
    let saturation = saturation.mask_fill(black, 0.0);

    let norm = (range.mask_fill(gray.clone(), 1.0) * 6.0).recip();
    let between_red_green = norm.clone() * (red.clone() - green.clone()) + 4.0 / 6.0;
    let between_blue_red = norm.clone() * (blue.clone() - red.clone()) + 2.0 / 6.0;
    let between_green_blue = norm * (green.clone() - blue);
    let hue = between_red_green
        .mask_where(value.clone().equal(green), between_blue_red)
        .mask_where(value.clone().equal(red), between_green_blue);
    let around = hue.clone().lower_elem(0.0).float();
    let hue = hue.mask_fill(gray, 0.0) + around;
    Tensor::cat(vec![hue, saturation, value], 1)
}

/// Colors of a hue, a saturation and a value.
///
/// # Shapes
/// - hsv: `[batch, 3, height, width]`
/// - output: `[batch, 3, height, width]`
pub(crate) fn hsv_to_rgb(hsv: Tensor<4>) -> Tensor<4> {
    let [hue, saturation, value] = planes(&hsv);
    let sector = (hue.clone() - hue.floor()) * 6.0;
    let red = ((sector.clone() - 3.0).abs() - 1.0).clamp(0.0, 1.0);
    let green = (-(sector.clone() - 2.0).abs() + 2.0).clamp(0.0, 1.0);
    let blue = (-(sector - 4.0).abs() + 2.0).clamp(0.0, 1.0);
    let shade = |x: Tensor<4>| value.clone() * (-saturation.clone() + 1.0 + saturation.clone() * x);
    Tensor::cat(vec![shade(red), shade(green), shade(blue)], 1)
}
