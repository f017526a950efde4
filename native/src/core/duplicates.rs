//! Names that stand twice.

/// From so many on, comparing each with each would be slower than sorting.
const FEW: usize = 16;

/// Whether two of `items` have the same name.
pub fn has_twice<T>(items: &[T], name: impl Fn(&T) -> &[u8]) -> bool {
    if items.len() <= FEW {
        return items.iter().enumerate().any(|(index, item)| {
            items
                .iter()
                .take(index)
                .any(|earlier| name(earlier) == name(item))
        });
    }
    let mut names: Vec<&[u8]> = items.iter().map(name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_is_found_among_few_and_many() {
        for length in [2, FEW, FEW + 1, 100] {
            let mut names: Vec<Vec<u8>> = (0..length).map(|n| n.to_string().into_bytes()).collect();
            assert!(!has_twice(&names, |name| name));
            names[length - 1] = b"0".to_vec();
            assert!(has_twice(&names, |name| name));
        }
    }

    #[test]
    fn none_and_one_are_no_two() {
        assert!(!has_twice(&[], |name: &&[u8]| name));
        assert!(!has_twice(&[b"a"], |name| &name[..]));
    }
}
