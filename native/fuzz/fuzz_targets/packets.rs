#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wgmesh_native::fuzzing::packets(data));
