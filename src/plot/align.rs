//! Brings what is connected above each other, in rows whose order is settled.

/// How often everything is moved to what is above it, and to what is below it.
const SWEEPS: usize = 8;
/// How much the place of a bend counts beside that of a box.
const BEND: f64 = 0.001;

/// What lies in the rows of a picture, boxes first and then bends, and which of them are connected.
pub(super) struct Rows<'a> {
    /// How many are boxes.
    pub boxes: usize,
    /// The members of every row, in order.
    pub order: &'a [Vec<usize>],
    /// The width of each, with the gaps beside it.
    pub sizes: &'a [f64],
    /// For each, those above and those below that it is connected with.
    pub above: Vec<Vec<usize>>,
    pub below: Vec<Vec<usize>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        boxes: usize,
        links: &[(usize, usize)],
        chains: &[Vec<usize>],
        order: &'a [Vec<usize>],
        sizes: &'a [f64],
    ) -> Self {
        let (mut above, mut below) = (vec![Vec::new(); sizes.len()], vec![Vec::new(); sizes.len()]);
        for ((from, to), chain) in links.iter().zip(chains) {
            above[*to].push(*from);
            below[*from].push(*to);
            // Boxes look past the bends, which look at what is next.
            for (at, bend) in chain.iter().enumerate() {
                above[*bend].push(at.checked_sub(1).map_or(*from, |before| chain[before]));
                below[*bend].push(chain.get(at + 1).copied().unwrap_or(*to));
            }
        }
        Self { boxes, order, sizes, above, below }
    }

    /// Moves everything towards its neighbours, back and forth.
    pub(super) fn settle(&self, middles: &mut [f64]) {
        for _ in 0..SWEEPS {
            for row in self.order {
                self.settle_row(row, &self.above, middles);
            }
            for row in self.order.iter().rev() {
                self.settle_row(row, &self.below, middles);
            }
        }
    }

    /// Puts the members of a row as close as possible to their neighbours, in the order that they have: the
    /// least squares under the condition that none overlap.
    fn settle_row(&self, row: &[usize], neighbours: &[Vec<usize>], middles: &mut [f64]) {
        // Blocks of members that touch: where the first wants to be, how much that counts, and how many they are.
        let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
        let mut offset = 0.0;
        let mut offsets = Vec::with_capacity(row.len());
        for (at, member) in row.iter().enumerate() {
            if let Some(before) = at.checked_sub(1).map(|before| row[before]) {
                offset += (self.sizes[before] + self.sizes[*member]) / 2.0;
            }
            offsets.push(offset);
            let weight = if *member < self.boxes { 1.0 } else { BEND };
            let wanted = Self::wanted(*member, &neighbours[*member], middles) - offset;
            blocks.push((wanted, weight, 1));
            while let [.., (left, ..), (right, ..)] = blocks.as_slice()
                && left > right
            {
                let (Some(right), Some(left)) = (blocks.pop(), blocks.last_mut()) else { break };
                let weight = left.1 + right.1;
                *left = ((left.0 * left.1 + right.0 * right.1) / weight, weight, left.2 + right.2);
            }
        }
        let places = blocks.into_iter().flat_map(|(place, _, count)| std::iter::repeat_n(place, count));
        for ((member, place), offset) in row.iter().zip(places).zip(offsets) {
            middles[*member] = place + offset;
        }
    }

    /// The middle of what it is connected with.
    fn wanted(member: usize, neighbours: &[usize], middles: &[f64]) -> f64 {
        match neighbours.len() {
            0 => middles[member],
            count => neighbours.iter().map(|neighbour| middles[*neighbour]).sum::<f64>() / count as f64,
        }
    }
}
