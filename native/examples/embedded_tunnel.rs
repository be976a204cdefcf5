//! Runs one embedded interface until standard input ends: `embedded_tunnel <name>`, then `wg set <name> …`. For measuring, and
//! for trying things by hand; events are printed.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::sync::Arc;

    use wgmesh_native::link::name::InterfaceName;
    use wgmesh_native::os::underlay::Underlay;
    use wgmesh_native::wireguard::device::Device;
    use wgmesh_native::wireguard::embedded::EmbeddedDevice;

    let name = std::env::args().nth(1).ok_or("usage: embedded_tunnel <interface>")?;
    let mut device = EmbeddedDevice::open(&InterfaceName::parse(&name)?, 0, None, Underlay::ANY)?;
    device.on_event(Arc::new(|event| println!("{event:?}")));
    device.up()?;
    println!("ready");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    device.close(true)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {}
