{{ concentration('weekly') }}
