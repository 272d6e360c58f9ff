//! What `ipmitool lan print` says.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::Serialize;

/// A BMC's network configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LanConfig {
    /// `Static Address`, `DHCP Address`, …
    pub source: Option<String>,
    /// The address; absent where the BMC shows `0.0.0.0`.
    pub address: Option<Ipv4Addr>,
    /// The netmask.
    pub netmask: Option<Ipv4Addr>,
    /// The default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// The MAC address.
    pub mac: Option<String>,
}

impl LanConfig {
    /// Reads the lines `Key : Value`; `None` if there is no address among them.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut lan = Self::default();
        let mut seen = false;
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            let address = || value.parse::<Ipv4Addr>().ok().filter(|a| !a.is_unspecified());
            match key.trim() {
                "IP Address Source" => lan.source = Some(value.to_owned()),
                "IP Address" => {
                    seen = value.parse::<Ipv4Addr>().is_ok();
                    lan.address = address();
                }
                "Subnet Mask" => lan.netmask = address(),
                "Default Gateway IP" => lan.gateway = address(),
                "MAC Address" => lan.mac = Some(value.to_owned()),
                _ => {}
            }
        }
        seen.then_some(lan)
    }

    pub(crate) fn is_static(&self) -> bool {
        self.source.as_deref().is_some_and(|source| source.starts_with("Static"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINT: &str = "\
Set in Progress         : Set Complete
Auth Type Enable        : Callback :
                        : User     : MD2 MD5
IP Address Source       : DHCP Address
IP Address              : 192.168.100.101
Subnet Mask             : 255.255.255.0
MAC Address             : bc:24:11:95:1e:41
Default Gateway IP      : 0.0.0.0
Default Gateway MAC     : 00:00:00:00:00:00
802.1q VLAN ID          : Disabled
";

    #[test]
    fn lan_print_is_read() {
        let lan = LanConfig::read(PRINT).unwrap();
        assert_eq!(lan.address, Some(Ipv4Addr::new(192, 168, 100, 101)));
        assert_eq!(lan.netmask, Some(Ipv4Addr::new(255, 255, 255, 0)));
        assert_eq!(lan.gateway, None);
        assert_eq!(lan.mac.as_deref(), Some("bc:24:11:95:1e:41"));
        assert!(!lan.is_static());
    }

    #[test]
    fn something_else_is_not_read() {
        assert_eq!(LanConfig::read("Invalid channel: 9\n"), None);
        assert_eq!(LanConfig::read(""), None);
    }
}
