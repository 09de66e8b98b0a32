//! Requests of users, tokens, grants and namespaces, and in whose name a command is done.

use model::access::{
    AddGrant, CreateNamespace, DeleteNamespace, DeleteUser, Effect, Grant, NamePattern, RemoveGrant, ResourceKind,
    ResourcePattern, RevokeToken, Rights, Role, Scope, TokenKind,
};

use super::name::variants;
use super::{Wire, fields, numbers};
use crate::command::Principal;
use crate::wire::{Reader, WireError, Writer};

numbers!(Role {
    1 => Admin,
    2 => Operator,
    3 => Developer,
    4 => Publisher,
    5 => Consumer,
    6 => Monitor,
    7 => Auditor,
});
numbers!(ResourceKind { 1 => Queue, 2 => Topic, 3 => Broker, 4 => Exchange });
numbers!(Effect { 1 => Allow, 2 => Deny });
numbers!(TokenKind { 1 => Session, 2 => Api });
variants!(NamePattern { 1 => Literal(name), 2 => Prefix(name) });

fields!(ResourcePattern { kind, namespace, name });
fields!(Grant { user, resource, rights, effect });
fields!(AddGrant { grant });
fields!(RemoveGrant { user, resource, effect });
fields!(DeleteUser { name });
fields!(RevokeToken { id });
fields!(CreateNamespace { name });
fields!(DeleteNamespace { name });

impl Wire for Rights {
    fn write(&self, writer: &mut Writer) {
        writer.u16(self.bits());
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let bits = reader.u16()?;
        let rights = Self::from_bits(bits);
        if rights.bits() == bits { Ok(rights) } else { Err(reader.error("an unknown right")) }
    }
}

fields!(Scope { rights, resource });

const SYSTEM: u8 = 0;
const USER: u8 = 1;
const SCOPED_USER: u8 = 2;

impl Wire for Principal {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::System => writer.u8(SYSTEM),
            Self::User { id, scope } if *scope == Scope::full() => {
                writer.u8(USER);
                id.write(writer);
            }
            Self::User { id, scope } => {
                writer.u8(SCOPED_USER);
                id.write(writer);
                scope.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        match reader.u8()? {
            SYSTEM => Ok(Self::System),
            USER => Ok(Self::User { id: Wire::read(reader)?, scope: Scope::full() }),
            SCOPED_USER => Ok(Self::User { id: Wire::read(reader)?, scope: Wire::read(reader)? }),
            _ => Err(reader.error("an unknown principal")),
        }
    }
}
