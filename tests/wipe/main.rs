//! Wiping and searching on real servers: rows of 300 people, every third a
//! canary, with long and short values, out of line, indexed and in Korean.

#[cfg(test)]
#[path = "../servers/mod.rs"]
mod servers;

#[cfg(test)]
mod canaries;
#[cfg(test)]
mod mariadb;
#[cfg(test)]
mod postgres;
