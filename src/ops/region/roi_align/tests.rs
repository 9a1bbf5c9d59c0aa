//! Numbers worked out by hand, differences, and torchvision's numbers.

use super::*;
use crate::ops::check::{gradients, nothing, on_every_place, parameter, same_bits};
use crate::ops::golden;

const TWO: RoiPool = RoiPool {
    side: 2,
    sampling: 2,
    aligned: true,
};

fn roi(map: usize, image: usize, bounds: [f32; 4]) -> Roi {
    let bounds = Bounds::new(bounds);
    Roi { map, image, bounds }
}

on_every_place! {
    /// f(y, x) = x + 10 y on 8 x 8, region (1, 1, 5, 5).
    fn a_slope_is_read_at_the_centres_of_the_bins(place) {
        let slope = (0..64).map(|i| (i % 8 + 10 * (i / 8)) as f32).collect();
        let map = Map::new(Tensor2::constant(slope, 64, 1).to(place), 1, 8, 8);
        let read = |pool| {
            let rois = [roi(0, 0, [1.0, 1.0, 5.0, 5.0])];
            roi_align(&mut Tape::off(), &[&map], &[1.0], &rois, pool).data.host_values().into_owned()
        };
        for sampling in [0, 2] {
            assert_eq!(read(RoiPool { sampling, ..TWO }), [16.5, 18.5, 36.5, 38.5]);
            let shifted = RoiPool { sampling, aligned: false, ..TWO };
            assert_eq!(read(shifted), [22.0, 24.0, 42.0, 44.0]);
        }
    }

    fn the_gradient_of_a_bin_is_a_quarter_at_its_four_pixels(place) {
        let map = Tensor2::parameter(vec![0.0; 64], 64, 1).to(place);
        let mut tape = Tape::recording();
        let rois = [roi(0, 0, [1.0, 1.0, 5.0, 5.0])];
        let out = roi_align(&mut tape, &[&Map::new(map.clone(), 1, 8, 8)], &[1.0], &rois, TWO);
        let loss = crate::ops::check::loss_of(&mut tape, &out.data, vec![1.0, 0.0, 0.0, 0.0]);
        let gradient = map.gradient(&mut tape.backward(&loss));
        for (i, g) in gradient.iter().enumerate() {
            let inside = (1..3).contains(&(i / 8)) && (1..3).contains(&(i % 8));
            assert_eq!(*g, if inside { 0.25 } else { 0.0 }, "pixel {i}");
        }
    }

    fn gradients_match_differences(place) {
        let inputs = [parameter(1, 2 * 6 * 5, 3, 1.0), parameter(2, 2 * 3 * 2, 3, 1.0)];
        let rois = [
            roi(1, 0, [0.0, 0.0, 20.0, 24.0]),
            roi(0, 1, [3.0, 2.0, 9.5, 13.0]),
            roi(0, 0, [-6.0, 4.0, 7.0, 40.0]),
            roi(0, 1, [3.0, 2.0, 9.5, 13.0]),
            roi(1, 1, [7.0, 7.0, 7.5, 7.25]),
        ];
        for (sampling, aligned) in [(0, true), (2, true), (0, false), (2, false)] {
            let pool = RoiPool { side: 3, sampling, aligned };
            gradients(place, &inputs, 0.05, 2e-3, |tape, i| {
                let fine = Map::new(i[0].clone(), 2, 6, 5);
                let coarse = Map::new(i[1].clone(), 2, 3, 2);
                roi_align(tape, &[&fine, &coarse], &[0.25, 0.125], &rois, pool).data
            });
        }
    }

    fn no_region_gives_an_empty_result(place) {
        let map = parameter(1, 6, 3, 1.0).to(place);
        let out = roi_align(&mut Tape::recording(), &[&Map::new(map, 1, 2, 3)], &[1.0], &[], TWO);
        assert_eq!((out.batch, out.channels(), out.data.is_empty()), (0, 3, true));
        let empty = Tensor2::parameter(Vec::new(), 0, 3);
        let never = |tape: &mut Tape, i: &[Tensor2]| roi_align(tape, &[&Map::new(i[0].clone(), 0, 2, 3)], &[1.0], &[], TWO).data;
        nothing(place, &[empty], never);
    }

    fn parity_with_torchvision(place) {
        let tensors = golden::load("rcnn_ops");
        let (shape, values) = &tensors["roi_align.rois"];
        let rois: Vec<Roi> = values.chunks_exact(shape[1]).map(|row| {
            roi(0, row[0] as usize, [row[1], row[2], row[3], row[4]])
        }).collect();
        for aligned in [false, true] {
            for sampling in [0, 2] {
                for side in [7, 14] {
                    let case = format!("roi_align.{}.{sampling}.{side}", u8::from(aligned));
                    golden::check(place, &tensors, &case, &["x"], 1e-5, |tape, i| {
                        let map = Map::new(i[0].clone(), 2, 12, 16);
                        let pool = RoiPool { side, sampling, aligned };
                        roi_align(tape, &[&map], &[0.25], &rois, pool).data
                    });
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let rois: Vec<Roi> = (0..40)
        .map(|i| {
            let at = (i % 9) as f32 * 2.0;
            roi(0, i % 2, [at, at / 2.0, at + 15.0, at + 11.0])
        })
        .collect();
    same_bits(&[parameter(1, 2 * 16 * 12, 32, 1.0)], |tape, i| {
        let map = Map::new(i[0].clone(), 2, 16, 12);
        roi_align(tape, &[&map], &[0.5], &rois, RoiPool { side: 7, ..TWO }).data
    });
}
