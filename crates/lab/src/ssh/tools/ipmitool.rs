//! `ipmitool` over the system interface: `lan print` and `lan set`, channel 1. Texts as version
//! 1.8 writes them (`lib/ipmi_lanp.c`).

use std::net::Ipv4Addr;

use crate::{
    FaultKind, IpSource,
    ssh::shell::{Answer, Seat},
};

pub(super) fn run(seat: &mut Seat<'_>, arguments: &[&str]) -> Answer {
    match arguments {
        ["lan", "print"] | ["lan", "print", "1"] => print(seat),
        ["lan", "print", channel] | ["lan", "set", channel, ..] if *channel != "1" => {
            Answer::fails(1, format!("Invalid channel: {channel}\n"))
        }
        ["lan", "set", _, parameter @ ..] => set(seat, parameter),
        _ => Answer::fails(1, "Invalid command: lab machines know `lan print` and `lan set`\n"),
    }
}

fn print(seat: &mut Seat<'_>) -> Answer {
    let lan = &seat.machine().ipmi;
    let source = match lan.source {
        IpSource::Static => "Static Address",
        IpSource::Dhcp => "DHCP Address",
    };
    Answer::ok(format!(
        "Set in Progress         : Set Complete\n\
         Auth Type Support       : MD5 PASSWORD \n\
         Auth Type Enable        : Callback : \n\
         \x20                       : User     : MD5 PASSWORD \n\
         \x20                       : Operator : MD5 PASSWORD \n\
         \x20                       : Admin    : MD5 PASSWORD \n\
         \x20                       : OEM      : \n\
         IP Address Source       : {source}\n\
         IP Address              : {}\n\
         Subnet Mask             : {}\n\
         MAC Address             : {}\n\
         SNMP Community String   : public\n\
         IP Header               : TTL=0x40 Flags=0x40 Precedence=0x00 TOS=0x10\n\
         BMC ARP Control         : ARP Responses Enabled, Gratuitous ARP Disabled\n\
         Default Gateway IP      : {}\n\
         Default Gateway MAC     : 00:00:00:00:00:00\n\
         Backup Gateway IP       : 0.0.0.0\n\
         Backup Gateway MAC      : 00:00:00:00:00:00\n\
         802.1q VLAN ID          : Disabled\n\
         802.1q VLAN Priority    : 0\n\
         RMCP+ Cipher Suites     : 3,17\n\
         Cipher Suite Priv Max   : XXXaXXXXXXXXXXX\n\
         \x20                       :     X=Cipher Suite Unused\n\
         \x20                       :     c=CALLBACK\n\
         \x20                       :     u=USER\n\
         \x20                       :     o=OPERATOR\n\
         \x20                       :     a=ADMIN\n\
         \x20                       :     O=OEM\n\
         Bad Password Threshold  : Not Available\n",
        lan.address, lan.netmask, lan.mac, lan.gateway
    ))
}

fn set(seat: &mut Seat<'_>, parameter: &[&str]) -> Answer {
    let address = |text: &str| match text.parse::<Ipv4Addr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(Answer::fails(1, format!("Invalid IP address: {text}\n"))),
    };
    let mut lan = seat.machine().ipmi.clone();
    let mut put = |name: &str, text: &str, field: fn(&mut crate::IpmiLan) -> &mut String| {
        *field(&mut lan) = address(text)?;
        Ok(format!("Setting LAN {name} to {text}\n"))
    };
    let said = match parameter {
        ["ipsrc", "static"] => {
            lan.source = IpSource::Static;
            Ok(String::new())
        }
        ["ipsrc", "dhcp"] => {
            lan.source = IpSource::Dhcp;
            Ok(String::new())
        }
        ["ipaddr", text] => put("IP Address", text, |lan| &mut lan.address),
        ["netmask", text] => put("Subnet Mask", text, |lan| &mut lan.netmask),
        ["defgw", "ipaddr", text] => put("Default Gateway IP", text, |lan| &mut lan.gateway),
        _ => Err(Answer::fails(1, "\nusage: lan set <channel> <command> <parameter>\n")),
    };
    match said {
        Err(answer) => answer,
        Ok(_) if strikes(seat, FaultKind::IpmiSetFailsOnce) => {
            Answer::fails(1, "LAN Parameter Data does not match!  Write may have failed.\n")
        }
        Ok(said) => {
            if !strikes(seat, FaultKind::IpmiSetIgnored) {
                seat.machine().ipmi = lan;
            }
            Answer::ok(said)
        }
    }
}

fn strikes(seat: &mut Seat<'_>, kind: FaultKind) -> bool {
    let machine = seat.machine;
    seat.rack.strikes(kind, machine)
}
