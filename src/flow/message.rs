//! `MESSAGE_ID`s of what a cycle does to records, for the journal; those of the
//! daemon's own life are in `daemon::message`. An id never changes and is never
//! given to anything else.

pub const SEPARATED: &str = "d429377cad5a4cf39932652f202fea93";
pub const LEFT: &str = "c1ce44fbe7304358883791afc5c6b9a6";
pub const DESTROYED: &str = "8b97c183443d4f37a7f8506a0f127de2";
pub const HELD: &str = "2444587dc55d449b93abed3fbe2f5e68";
pub const REFUSED: &str = "00d2b65139e247d28ed6b62f01db0367";
pub const RULE_FAILED: &str = "ae5aedb9aaa1442f8b2ec5e3ecb28119";
pub const VERDICT_FAIL: &str = "a96e9d43a2c34a9d8e23fbfad7ff28aa";
