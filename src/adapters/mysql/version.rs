//! Which server it is, by its own word.

/// `10.11.4-MariaDB-1` or `8.0.36`. Behind `5.5.5-` stands the true version of
/// some MariaDB servers.
pub(super) fn version_number(text: &str) -> Option<(u32, u32)> {
    let text = text.strip_prefix("5.5.5-").unwrap_or(text);
    let mut parts = text.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_both_servers_write_them() {
        assert_eq!(version_number("10.11.19-MariaDB-0+deb12u1"), Some((10, 11)));
        assert_eq!(version_number("5.5.5-10.4.8-MariaDB"), Some((10, 4)));
        assert_eq!(version_number("8.0.36"), Some((8, 0)));
        assert_eq!(version_number("unknown"), None);
    }
}
